"""Record what happens while a pipeline runs a case: steps, LLM calls, values.

In: functions marked or named as steps, HTTP requests to LLM endpoints, connections. Out: the `Trace` of a
`Recorder`, and answers to requests, sent or replayed. Recorded answers, budgets and stand-ins come from the
package `answers` through the small protocols in `exchange.py`. Under `--fapo-cache=only` the network guard
refuses every other connection.
Open `recorder.py` first, then `exchange.py`, which decides for one request whether it is replayed or sent.
"""

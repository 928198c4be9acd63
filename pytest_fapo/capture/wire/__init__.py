"""The wire formats of providers other than OpenAI and Anthropic, one file each.

In: the URL and body of a request, an answer as it arrived. Out: what was asked (model, messages), what was
said (text, tools, tokens), and whether that is a whole answer of the endpoint's own form.
Open `wire_format.py` first, which holds the interface.
"""

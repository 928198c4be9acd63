"""Recorded and stand-in answers, what provider calls cost, and the clients of the optimizer's models.

In: cache keys and HTTP answers from `capture`. Out: recorded answers (`cache.py`, below it the
exported files of `cache_layers.py`), stand-in answers (`offline.py`), prices and a budget that is asked
before each request (`budget.py`), and structured answers of the optimizer's models (`model_client.py`).
Open `cache.py` first.
"""

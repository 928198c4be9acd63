"""One file for each HTTP library whose requests are captured: where it is patched, how it is replayed.

Each has `MODULES`, the modules at whose import it is patched, and `patches(module, gate)`, what is replaced
in them. A library is answered below its own code wherever that is possible, with the bytes of an HTTP answer,
so that a caller gets the objects and the exceptions that the library always makes.
Open `transport.py` first, which holds what all of them share.
"""

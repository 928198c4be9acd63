"""The HTTP libraries whose requests are captured, one file each: where it is patched, how it is replayed.

In: a library's module when the user's code imports it. Out: `patches(module, gate)`, what is replaced in it.
A library is answered below its own code wherever that is possible, with the bytes of an HTTP answer, so that
a caller gets the objects and the exceptions that the library always makes.
Open `transport.py` first, which holds what all of them share.
"""

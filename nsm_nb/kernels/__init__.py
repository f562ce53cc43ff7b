"""Hot loops in numba: arrays in, arrays out, no pandas. Bounds are checked before every read.

`records` walks capture files, `decode` reads packet headers, `interning` numbers addresses and texts, `addresses`
turns numbers into text and back, `conversations` folds packets into sessions (`pages`: what is known of each), `community`
hashes five-tuples. Each kernel has a slow twin in the tests.
"""

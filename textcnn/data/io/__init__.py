"""Files in and out: one reader and one set of rules for every verb.

`formats` knows the endings, `readers` yields rows, `tables` makes arrow tables of them, `sources` finds the splits
behind a name, `writers` writes results.
"""

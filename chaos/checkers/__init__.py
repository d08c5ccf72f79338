"""The checkers: each is one promise, as a function of a history and the evidence.

The evidence is read after everything has settled. A checker returns one complaint for each request
that breaks its promise, and an empty list when the promise was kept.
"""

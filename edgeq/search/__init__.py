"""Search for the smallest and fastest recipe that keeps a floor of accuracy and fits a target.

A search is rounds of independent trials: `trial` runs one, `pool` runs many here or on Dask, `space` says which are
worth a trial, `ledger` remembers what was tried, `front` sorts, `search` puts them in order.
"""

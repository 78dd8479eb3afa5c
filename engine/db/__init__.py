"""Databases: one interface for all modules that keep tables, whoever the driver is.

A driver is a module named db_SCHEME (db_sqlite for sqlite://...); it is found by the scheme of the URL and nothing here knows
which ones exist.
"""

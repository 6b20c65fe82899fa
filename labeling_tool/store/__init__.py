"""The database, its tables, the audit trail, and bundles of pictures on disk.

In come rows and files, out go sessions and models; every other room calls it.
"""

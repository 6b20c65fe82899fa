"""What annotators made, in the formats that others read.

In come submitted assignments, out go recordings, filter labels, tables and datasets; the export
route calls it.
"""

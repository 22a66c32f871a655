"""The endings of names of files that several readers and writers of tables know."""

PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx", ".xlsm", ".xls")  # the last is an old format, which is refused with a sentence
PACKED = (".gz", ".zip")

"""Photos: read from folders or parquet, packed once at a size, opened as maps and cropped into batches on a device.

In this order: `sources` (`folders`, `parquet`, `chunks`), `packing` (`passes`, `prepare`, `finish`), `maps`, `crops`.
"""

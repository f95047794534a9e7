"""Data sets: where they are (`known`), packed and loaded (`sets`, `photos`), in batches on a device (`batches`).

`known` imports nothing heavy, so that planning can ask for data without torch.
"""

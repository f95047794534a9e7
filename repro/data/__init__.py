"""Data sets: where they lie (`known`), how they are packed and loaded (`sets`), and batches on a device (`batches`).

`known` imports nothing heavy, so that planning can ask for data without torch.
"""

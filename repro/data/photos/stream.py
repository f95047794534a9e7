"""Photos that do not fit on the device, read from their map a batch ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

READERS = 4  # threads that copy from the map: one core copies some GB/s, a GPU may ask for more (assumed)


def stream(pixels: np.ndarray, batches: Sequence[np.ndarray], device: torch.device) -> Iterator[torch.Tensor]:
    """Yield the photos of each batch of rows (int64 [b]) of `pixels` (uint8 [n, h, w, 3]), as uint8 [b, h, w, 3].

    On a GPU two pinned buffers take turns: one is filled by threads while the other is sent, on a stream of its own,
    and the batch before is worked on.
    """
    if device.type != "cuda":
        for rows in batches:
            yield torch.from_numpy(pixels[rows])
        return
    largest = max(map(len, batches), default=0)
    buffers = [torch.empty((largest, *pixels.shape[1:]), dtype=torch.uint8, pin_memory=True) for _ in range(2)]
    sent = [torch.cuda.Event() for _ in buffers]
    sending = torch.cuda.Stream(device)
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(READERS) as readers:

        def fill(i: int) -> torch.Tensor:
            rows, buffer = batches[i], buffers[i % 2]
            sent[i % 2].synchronize()  # until then the buffer is being read; at first there is nothing to wait for
            parts = np.array_split(np.arange(len(rows)), READERS)
            for done in [readers.submit(_take, pixels, rows, buffer.numpy(), part) for part in parts if len(part)]:
                done.result()
            return buffer[: len(rows)]

        waiting = ahead.submit(fill, 0) if len(batches) else None
        for i in range(len(batches)):
            assert waiting is not None
            filled = waiting.result()
            with torch.cuda.stream(sending):
                out = filled.to(device, non_blocking=True)
                sent[i % 2].record()
            waiting = ahead.submit(fill, i + 1) if i + 1 < len(batches) else None
            torch.cuda.current_stream(device).wait_event(sent[i % 2])
            out.record_stream(torch.cuda.current_stream(device))  # its memory is free once this batch has been used
            yield out


def _take(pixels: np.ndarray, rows: np.ndarray, buffer: np.ndarray, part: np.ndarray) -> None:
    span = slice(part[0], part[-1] + 1)
    np.take(pixels, rows[span], 0, out=buffer[span], mode="clip")  # "raise" would go through a copy

"""Triton kernels of `repro.nets.fused`, the only module that imports this one, so that Triton stays optional.

With TRITON_INTERPRET=1, read when a kernel is decorated, they run on tensors of the CPU.

The norm moves every number between memory and the chip once and recomputes everything else. A lane is a pixel and CHUNK
neighbouring maps of one group; it holds them and the maps of their windows in registers. Lanes are in the order of the
numbers in memory: by pixels if a map is a plane (NCHW), by maps if the maps of a pixel are adjacent (channels_last). In
the latter case four maps are one load, and the maps of neighbouring lanes come from the cache.

Instructions per number, counted in the code compiled for an H100 (window of 5, fp32): 44 (NCHW) and 58 (channels_last)
backward, 25 and 30 forward, no value spilled. At 1.755 GHz the 132 x 128 lanes issue 58 instructions in half the time
that 3.35 TB/s need for the 12 bytes of a number. No device has been timed.
"""

import triton
import triton.language as tl


@triton.jit
def _lanes(H: tl.constexpr, W: tl.constexpr, PART: tl.constexpr, GROUPS: tl.constexpr, CHUNK: tl.constexpr,
           MAPS_INNERMOST: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Return this program's lanes: image, first map of the group, first map within it, row, column, valid or not."""
    chunks: tl.constexpr = (PART + CHUNK - 1) // CHUNK
    lanes: tl.constexpr = H * W * GROUPS * chunks  # of an image
    blocks: tl.constexpr = (lanes + BLOCK - 1) // BLOCK
    lane = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    if MAPS_INNERMOST:
        chunk, pixel = lane % (GROUPS * chunks), lane // (GROUPS * chunks)
    else:
        chunk, pixel = lane // (H * W), lane % (H * W)
    image = (tl.program_id(0) // blocks).to(tl.int64)  # a batch may hold more than 2^31 numbers, an image may not
    return image, chunk // chunks * PART, chunk % chunks * CHUNK, pixel // W, pixel % W, lane < lanes


@triton.jit
def _load(pointer, at, stride, first, valid, maps: tl.constexpr, PART: tl.constexpr, WIDE: tl.constexpr,
          MAPS_INNERMOST: tl.constexpr):  # fmt: skip
    """Return a tuple of `maps` maps from `first` on, widened; 0 beyond the group's borders."""
    out = ()
    if MAPS_INNERMOST:
        for r in tl.static_range(0, maps, 4):
            four = r + tl.arange(0, 4)[None, :]
            place = first[:, None] + four
            inside = valid[:, None] & (place >= 0) & (place < PART)
            tile = tl.load(pointer + (at[:, None] + four * stride), mask=inside, other=0.0).to(WIDE)
            even, odd = tl.split(tl.reshape(tile, (at.shape[0], 2, 2)))
            a, c = tl.split(even)
            b, d = tl.split(odd)
            out += (a, b, c, d)
    else:
        for r in tl.static_range(maps):
            inside = valid & (first + r >= 0) & (first + r < PART)
            out += (tl.load(pointer + (at + r * stride), mask=inside, other=0.0).to(WIDE),)
    return out


@triton.jit
def _store(pointer, at, stride, first, valid, values, maps: tl.constexpr, PART: tl.constexpr,
           MAPS_INNERMOST: tl.constexpr):  # fmt: skip
    """Write a tuple of `maps` maps from `first` on, except those beyond the group's border."""
    if MAPS_INNERMOST:
        for r in tl.static_range(0, maps, 4):
            even, odd = tl.join(values[r], values[r + 2]), tl.join(values[r + 1], values[r + 3])
            tile = tl.reshape(tl.join(even, odd), (at.shape[0], 4))
            four = r + tl.arange(0, 4)[None, :]
            inside = valid[:, None] & (first[:, None] + four < PART)
            tl.store(pointer + (at[:, None] + four * stride), tile, mask=inside)
    else:
        for r in tl.static_range(maps):
            tl.store(pointer + (at + r * stride), values[r], mask=valid & (first + r < PART))


@triton.jit
def _sum(terms, first: tl.constexpr, size: tl.constexpr):
    total = terms[first]
    for i in tl.static_range(1, size):
        total += terms[first + i]
    return total


@triton.jit
def _powers(x, BETA: tl.constexpr):
    """Return x^-BETA and 1/x."""
    if BETA == 0.75:  # two roots, several times as fast as a power
        root = tl.rsqrt(x)
        return root * tl.sqrt(root), root * root
    else:
        return tl.exp2(-BETA * tl.log2(x)), 1 / x


@triton.jit
def norm(x, y, x_n, x_c, x_h, x_w, y_n, y_c, y_h, y_w, ALPHA: tl.constexpr, BETA: tl.constexpr, K: tl.constexpr,
         H: tl.constexpr, W: tl.constexpr, PART: tl.constexpr, GROUPS: tl.constexpr, SIZE: tl.constexpr,
         CHUNK: tl.constexpr, MAPS_INNERMOST: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Compute y_i = x_i D_i^-beta; D_i = k + alpha * sum of x_j^2 over the window of i."""
    image, group, first, row, column, valid = _lanes(H, W, PART, GROUPS, CHUNK, MAPS_INNERMOST, BLOCK)
    half: tl.constexpr = SIZE // 2
    # maps held on each side of the chunk: what a window needs, in whole loads
    near: tl.constexpr = (half + 3) // 4 * 4 if MAPS_INNERMOST else half
    at = (group + first - near) * x_c + row * x_h + column * x_w
    held: tl.constexpr = CHUNK + 2 * near
    xs = _load(x + image * x_n, at, x_c, first - near, valid, held, PART, WIDE, MAPS_INNERMOST)
    squares, ys = (), ()
    for i in tl.static_range(held):
        squares += (xs[i] * xs[i],)
    for i in tl.static_range(CHUNK):
        factor, _ = _powers(K + ALPHA * _sum(squares, near - half + i, SIZE), BETA)
        ys += (xs[near + i] * factor,)
    at = (group + first) * y_c + row * y_h + column * y_w
    _store(y + image * y_n, at, y_c, first, valid, ys, CHUNK, PART, MAPS_INNERMOST)


@triton.jit
def norm_backward(x, dy, dx, x_n, x_c, x_h, x_w, dy_n, dy_c, dy_h, dy_w, dx_n, dx_c, dx_h, dx_w, ALPHA: tl.constexpr,
                  BETA: tl.constexpr, K: tl.constexpr, H: tl.constexpr, W: tl.constexpr, PART: tl.constexpr,
                  GROUPS: tl.constexpr, SIZE: tl.constexpr, CHUNK: tl.constexpr, MAPS_INNERMOST: tl.constexpr,
                  WIDE: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Compute dx_i = dy_i D_i^-beta - 2 alpha beta x_i * sum over the window of i of dy_j x_j D_j^(-beta - 1)."""
    image, group, first, row, column, valid = _lanes(H, W, PART, GROUPS, CHUNK, MAPS_INNERMOST, BLOCK)
    half: tl.constexpr = SIZE // 2
    # a D_j of the window needs the window of j: half more maps of x than of dy
    near: tl.constexpr = (half + 3) // 4 * 4 if MAPS_INNERMOST else half
    far: tl.constexpr = (2 * half + 3) // 4 * 4 if MAPS_INNERMOST else 2 * half
    at = (group + first - far) * x_c + row * x_h + column * x_w
    held: tl.constexpr = CHUNK + 2 * far
    xs = _load(x + image * x_n, at, x_c, first - far, valid, held, PART, WIDE, MAPS_INNERMOST)
    at = (group + first - near) * dy_c + row * dy_h + column * dy_w
    dys = _load(dy + image * dy_n, at, dy_c, first - near, valid, CHUNK + 2 * near, PART, WIDE, MAPS_INNERMOST)
    squares, direct, through, dxs = (), (), (), ()
    for i in tl.static_range(held):
        squares += (xs[i] * xs[i],)
    for j in tl.static_range(CHUNK + 2 * half):  # the maps of all windows
        factor, inverse = _powers(K + ALPHA * _sum(squares, far - 2 * half + j, SIZE), BETA)
        direct += (dys[near - half + j] * factor,)
        through += (direct[j] * xs[far - half + j] * inverse,)
    for i in tl.static_range(CHUNK):
        dxs += (direct[half + i] - 2 * ALPHA * BETA * xs[far + i] * _sum(through, i, SIZE),)
    at = (group + first) * dx_c + row * dx_h + column * dx_w
    _store(dx + image * dx_n, at, dx_c, first, valid, dxs, CHUNK, PART, MAPS_INNERMOST)


@triton.jit
def update(weight, velocity, gradient, lr, numbers, MOMENTUM: tl.constexpr, DECAY: tl.constexpr,
           BLOCK: tl.constexpr):  # fmt: skip
    """Update flat memory: v <- momentum v - lr g - lr decay w;  w <- w + v. Nothing changes if lr is 0."""
    rate = tl.load(lr).to(weight.dtype.element_ty)
    if rate != 0:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        valid = at < numbers
        w = tl.load(weight + at, mask=valid)
        v = tl.fma(tl.load(gradient + at, mask=valid), -rate, tl.load(velocity + at, mask=valid) * MOMENTUM)
        if DECAY != 0:
            v = tl.fma(w, -(rate * DECAY), v)
        tl.store(velocity + at, v, mask=valid)
        tl.store(weight + at, w + v, mask=valid)


INTERPRETED = not isinstance(update, triton.JITFunction)

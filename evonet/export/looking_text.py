"""Source text of the helper functions of modules that look at some cells of their images."""

VIEW = '''

def view(x: Tensor, pixels: int, size: tuple) -> Tensor:
    """The mean of every pixels x pixels of images, a view of `size`; beyond the images zero."""
    x = F.pad(x, (0, size[1] * pixels - x.shape[3], 0, size[0] * pixels - x.shape[2]))  # less than zero crops
    return F.avg_pool2d(x, pixels)
'''

CHOOSE = '''

def choose(scores: Tensor, budgets: tuple, threshold: bool, taken: Tensor) -> tuple:
    """Where to look: image, cell and class of every look, class by class and in each image the best first.

    scores (images, classes, cells) are logits, that of no class being 0; `taken` (images, cells) are not to be looked
    at. Classes in turn take as many of the best cells left as they have `budgets`; with `threshold` at most so many, of
    those alone whose most probable class they are. An image without any such cell gets its best look.
    """
    kinds, none = torch.arange(len(budgets), device=scores.device), torch.zeros_like(scores[:, :1])
    scores = scores.masked_fill((torch.tensor(budgets, device=scores.device) == 0)[:, None], -torch.inf)
    rest = [torch.cat([none, scores[:, :k], scores[:, k + 1 :]], dim=1).logsumexp(1) for k in range(len(budgets))]
    odds = scores - torch.stack(rest, dim=1)
    free = ~taken
    can = free[:, None].expand_as(odds)
    if threshold:
        likely = can & (scores > 0) & (scores.argmax(1, keepdim=True) == kinds[:, None])
        first = odds.masked_fill(~can, -torch.inf).flatten(1).argmax(1, keepdim=True)
        best = torch.zeros_like(can).flatten(1).scatter(1, first, True).view_as(can)
        can = likely | (best & ~likely.flatten(1).any(1)[:, None, None])
    looks = []
    for k, n in enumerate(budgets):
        mine = can[:, k] & free
        cells = odds[:, k].masked_fill(~mine, -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :n]
        kept = mine.gather(1, cells)
        free = free.scatter(1, cells, free.gather(1, cells) & ~kept)
        image, place = kept.nonzero(as_tuple=True)
        looks.append((image, cells[image, place], torch.full_like(image, k)))
    image, cell, kind = (torch.cat(part) for part in zip(*looks))
    return image, cell, kind


def shares(scores: Tensor, image: Tensor, cell: Tensor, kind: Tensor) -> Tensor:
    """What each look counts for in its image: softmax of the scores of the looks of an image."""
    chosen = scores[image, kind, cell]
    highest = chosen.new_full((len(scores),), -torch.inf).scatter_reduce(0, image, chosen.detach(), "amax")
    parts = (chosen - highest[image]).exp()
    return parts / torch.zeros_like(highest).index_add(0, image, parts)[image]
'''

WITHIN = '''

def within(row: Tensor, column: Tensor, block: tuple, size: tuple) -> Tensor:
    """Which positions of blocks that begin at (row, column) a sheet of `size` has: (looks, 1, *block) bool."""
    y = row[:, None] + torch.arange(block[0], device=row.device)
    z = column[:, None] + torch.arange(block[1], device=row.device)
    return (((y >= 0) & (y < size[0]))[:, :, None] & ((z >= 0) & (z < size[1]))[:, None, :])[:, None]
'''

CUT = '''

def cut(x: Tensor, image: Tensor, row: Tensor, column: Tensor, block: tuple) -> Tensor:
    """The blocks of images that begin at (row, column), zero beyond the image: (looks, channels, *block)."""
    y = (row[:, None] + torch.arange(block[0], device=row.device)).clamp(0, x.shape[2] - 1)
    z = (column[:, None] + torch.arange(block[1], device=row.device)).clamp(0, x.shape[3] - 1)
    seen = x[image[:, None, None], :, y[:, :, None], z[:, None, :]].movedim(3, 1)
    return seen * within(row, column, block, x.shape[2:])
'''

CELLS = '''

def cells(x: Tensor, side: int) -> Tensor:
    """A sheet, with zeros to fill its last cells: (images, channels, rows, side, columns, side)."""
    x = F.pad(x, (0, -x.shape[3] % side, 0, -x.shape[2] % side))
    return x.unflatten(3, (-1, side)).unflatten(2, (-1, side))
'''

PUT = '''

def put(x: Tensor, blocks: Tensor, image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The sheet x with `blocks` (looks, channels, side, side) in their cells."""
    height, width = x.shape[2:]
    x = cells(x, blocks.shape[2])
    x[image, :, row, :, column] = blocks
    return x.flatten(4).flatten(2, 3)[:, :, :height, :width]
'''

ELEMENTS = '''

def elements(blocks: Tensor, row: Tensor, column: Tensor, size: tuple, pixels: float) -> tuple:
    """The positions of blocks one by one, without those that a sheet of `size` does not have.

    Features (positions, channels); which look each is of; its share of the look; and its centre: (y, x) in pixels.
    """
    side = blocks.shape[2]
    there = within(row * side, column * side, (side, side), size)[:, 0]
    look, y, z = there.nonzero(as_tuple=True)
    centre = torch.stack((row[look] * side + y, column[look] * side + z), dim=1).to(blocks.dtype) + 0.5
    return blocks[look, :, y, z], look, (1 / there.sum((1, 2)).to(blocks.dtype))[look], centre * pixels
'''

FOURIER = '''

def fourier(xy: Tensor) -> Tensor:
    """Sine and cosine of pi, 2 pi, 4 pi, 8 pi times each coordinate."""
    angles = torch.cat([torch.pi * 2**k * xy for k in range({bands})], dim=1)
    return torch.cat((angles.sin(), angles.cos()), dim=1)
'''

MEAN = '''

def mean_of(x: Tensor, image: Tensor, weight: Tensor, images: int) -> Tensor:
    """The weighted sum of the elements (positions, channels) of every image; weights sum to one: a mean."""
    return x.new_zeros(images, x.shape[1]).index_add(0, image, x * weight[:, None])
'''

MAX = '''

def max_of(x: Tensor, image: Tensor, images: int) -> Tensor:
    """The largest of the elements (positions, channels) of every image."""
    lowest = x.new_full((images, x.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, image[:, None].expand_as(x), x, "amax")
'''

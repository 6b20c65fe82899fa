"""How large Crafter's pictures are."""

VIEW = (9, 7)  # columns and rows of the map that are shown; the inventory fills two rows more
ITEM_ROWS = 2
UNIT = 24  # pixels a cell of Crafter's own pictures, in which recordings are made
TILE = 8  # pixels a cell in the pictures that agents see, a whole part of UNIT
SIZE = (VIEW[0] * UNIT, (VIEW[1] + ITEM_ROWS) * UNIT)  # width and height of a recording
TILED_SIZE = (VIEW[0] * TILE, (VIEW[1] + ITEM_ROWS) * TILE)

"""A fast painter for CarRacing: it paints only what is in sight, at a quarter of the window's size.

Gymnasium paints a window of 1,000 by 800 pixels for each step, which takes a hundred times as long as the step itself, and
shrinks it to 96 by 96; this chapter cuts the dashboard away and shrinks once more. Tracks, physics, rewards and ends stay
Gymnasium's own; frames are painted only when needed, and differ from the shrunken window by less than a grey level on average
(`benchmarks/world_racing_frames.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdn.applications.world.environments import SEEN_ROWS, SIDE

_SCALE = 0.25  # canvas pixels a pixel of the window
_INSET = 0.4  # canvas pixels: pygame fills a polygon's border too, which makes it wider by half a pixel on each side
_MARK_IN = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
_FIELD = np.array([(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)])
_SQUARE = np.array([(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)])


def _grass(car_racing) -> np.ndarray:
    """The corners of the lighter patches of grass, `(400, 4, 2)`, as CarRacing paints them."""
    places = [(x, y) for x in range(-20, 20, 2) for y in range(-20, 20, 2)]
    return car_racing.GRASS_DIM * (np.array(places)[:, None] + _SQUARE)


def paint_what_shows(racing) -> None:
    """Makes CarRacing skip polygons far out of sight, instead of transforming all 700 of the grass and the track.

    Frames stay the same to the byte.
    """
    from gymnasium.envs.box2d import car_racing

    whole = (car_racing.PLAYFIELD * _FIELD).tolist()
    grass = _grass(car_racing).tolist()
    most = 2.0 * car_racing.MAX_SHAPE_DIM  # no polygon is so wide
    known: dict[str, Any] = {"track": None}

    def render_road(zoom, translation, angle):
        def paint(polygon, color, clip=True):
            racing._draw_colored_polygon(racing.surf, polygon, color, zoom, translation, angle, clip)

        if known["track"] is not racing.road_poly:
            pieces = [[(p[0], p[1]) for p in polygon] for polygon, _ in racing.road_poly]
            known.update(track=racing.road_poly, polygons=grass + pieces)
            known["first"] = np.array([polygon[0] for polygon in known["polygons"]])
        x, y = known["first"].T
        across = (x * math.cos(angle) - y * math.sin(angle)) * zoom + translation[0]
        along = (x * math.sin(angle) + y * math.cos(angle)) * zoom + translation[1]
        near = (
            (-most <= across)
            & (across <= car_racing.WINDOW_W + most)
            & (-most <= along)
            & (along <= car_racing.WINDOW_H + most)
        )
        paint(whole, racing.bg_color, clip=False)
        for i in np.flatnonzero(near):
            color = racing.grass_color if i < len(grass) else [int(c) for c in racing.road_poly[i - len(grass)][1]]
            paint(known["polygons"][i], color)

    racing._render_road = render_road


class Painter:
    """Paints the frames of one `gymnasium.envs.box2d.car_racing.CarRacing`.

    Args:
        racing: The environment; its track may change with each reset.
    """

    def __init__(self, racing):
        import pygame
        from gymnasium.envs.box2d import car_dynamics, car_racing

        self._pygame, self._racing, self._car_racing = pygame, racing, car_racing
        self._size = (
            round(_SCALE * car_racing.WINDOW_W),
            round(_SCALE * car_racing.WINDOW_H * SEEN_ROWS / car_racing.STATE_H),
        )
        self._canvas = pygame.Surface(self._size, depth=32)
        self._track = None
        grass = _grass(car_racing)
        self._grass = grass, np.broadcast_to(1.0 - 2.0 * _SQUARE, grass.shape)
        self._field = car_racing.PLAYFIELD * _FIELD, -_FIELD
        self._wheel = car_dynamics.WHEEL_W * car_dynamics.SIZE, car_dynamics.WHEEL_R * car_dynamics.SIZE
        self._car: Any = None
        grey = pygame.Surface((car_racing.WINDOW_W, car_racing.WINDOW_H))
        grey.fill((128, 128, 128))
        shrunken = pygame.transform.smoothscale(grey, (car_racing.STATE_W, car_racing.STATE_H))
        self._lost = 128 - shrunken.get_at((0, 0))[0]  # grey levels that are lost, as pygame rounds down, twice
        self._background = self._shade(racing.bg_color)
        self._grass_color = self._shade(racing.grass_color)
        self._white = self._shade(car_dynamics.WHEEL_WHITE)

    def _learn_track(self):
        """Keeps the polygons, the direction in which each corner is inset, and the colours as rows of one array."""
        racing = self._racing
        polygons = np.array([polygon for polygon, _ in racing.road_poly])
        self._colors = np.empty((len(polygons), 3))
        tiles = iter(racing.road)
        for row, (i, (polygon, color)) in zip(self._colors, enumerate(racing.road_poly), strict=True):
            row[:] = color
            if isinstance(color, np.ndarray):  # a tile, whose colour changes when a wheel touches it
                next(tiles).color = row
                racing.road_poly[i] = polygon, row
        across = polygons[:, [1, 0, 3, 2]] - polygons
        # a kerb on a straight tile has no width: CarRacing's `side` is 0 there
        width = np.linalg.norm(across, axis=-1, keepdims=True)
        across /= np.where(width > 0.0, width, 1.0)
        grass, grass_in = self._grass
        self._polygons = np.concatenate([grass, polygons])
        self._inwards = np.concatenate([grass_in, across])
        self._middles = self._polygons.mean(axis=1)
        self._reach = np.linalg.norm(self._polygons - self._middles[:, None], axis=-1).max()
        self._track = racing.road_poly

    def frame(self) -> np.ndarray:
        """What the car sees now, `(64, 64, 3)` uint8."""
        from PIL import Image

        car_racing, racing = self._car_racing, self._racing
        if self._track is not racing.road_poly:
            self._learn_track()
        hull = racing.car.hull
        x, y = hull.position
        angle = -hull.angle
        cosine, sine = math.cos(angle), math.sin(angle)
        zoom = 0.1 * car_racing.SCALE * max(1 - racing.t, 0) + car_racing.ZOOM * car_racing.SCALE * min(racing.t, 1)
        scale = _SCALE * zoom
        # turned, scaled and mirrored: (x, y) @ turn + move, in canvas pixels from the upper left corner
        turn = np.array([[cosine, -sine], [-sine, -cosine]]) * scale
        width, height = _SCALE * car_racing.WINDOW_W, _SCALE * car_racing.WINDOW_H
        move = np.array([width / 2, height * 3 / 4]) - np.array([x, y]) @ turn
        inset = _INSET / scale

        ahead = car_racing.WINDOW_H / 4 / zoom  # from the car to the middle of the window
        middle = np.array([x + ahead * sine, y + ahead * cosine])
        far = math.hypot(car_racing.WINDOW_W, car_racing.WINDOW_H) / 2 / zoom + self._reach
        near = np.flatnonzero(np.square(self._middles - middle).sum(axis=1) < far * far)

        canvas, polygon = self._canvas, self._pygame.draw.polygon
        canvas.fill((0, 0, 0))
        field = np.floor((self._field[0] + inset * self._field[1]) @ turn + move).astype(int).tolist()
        polygon(canvas, self._background, field)
        corners = self._polygons[near] + inset * self._inwards[near]
        corners = np.floor(corners @ turn + move).astype(int).tolist()
        grass = len(self._grass[0])
        split = int(np.searchsorted(near, grass))
        for points in corners[:split]:
            polygon(canvas, self._grass_color, points)
        colors = np.maximum(self._colors[near[split:] - grass].astype(int) - self._lost, 0).tolist()
        for color, points in zip(colors, corners[split:], strict=True):
            polygon(canvas, color, points)
        self._paint_car(turn, move, inset)
        seen = Image.frombuffer("RGB", self._size, canvas.get_buffer().raw, "raw", "BGRX", canvas.get_pitch(), 1)
        return np.asarray(seen.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=1.5))

    def _shade(self, color) -> list[int]:
        return [max(int(level) - self._lost, 0) for level in color]

    def _learn_car(self):
        """Keeps the car's polygons and insets as one array; polygons of fewer than eight corners repeat the last one."""
        bodies, shapes, colors = [], [], []
        for place, body in enumerate(self._racing.car.drawlist):
            for fixture in body.fixtures:
                shape = list(fixture.shape.vertices)
                bodies.append(place)
                shapes.append(shape + shape[-1:] * (8 - len(shape)))
                colors.append(self._shade([255 * level for level in body.color]))
        corners = np.array(shapes)
        self._car = self._racing.car
        self._bodies, self._corners, self._colors_of_car = np.array(bodies), corners, colors
        self._corners_in = -np.sign(corners - corners.mean(axis=1, keepdims=True))

    def _paint_car(self, turn, move, inset):
        if self._car is not self._racing.car:
            self._learn_car()
        bodies = self._car.drawlist
        angles = np.array([body.angle for body in bodies])
        cosine, sine = np.cos(angles), np.sin(angles)
        turns = np.stack([cosine, sine, -sine, cosine], axis=-1).reshape(-1, 2, 2) @ turn
        moves = np.array([tuple(body.position) for body in bodies]) @ turn + move
        there = (self._corners + inset * self._corners_in) @ turns[self._bodies] + moves[self._bodies, None]
        lists = np.floor(there).astype(int).tolist()
        polygon, canvas = self._pygame.draw.polygon, self._canvas
        wide, high = self._wheel
        for place, color, points in zip(self._bodies.tolist(), self._colors_of_car, lists, strict=True):
            polygon(canvas, color, points)
            phase = bodies[place].__dict__.get("phase")
            if phase is None:
                continue
            s1, s2, c1, c2 = math.sin(phase), math.sin(phase + 1.2), math.cos(phase), math.cos(phase + 1.2)
            if s1 > 0 and s2 > 0:
                continue
            c1, c2 = math.copysign(1.0, c1) if s1 > 0 else c1, math.copysign(1.0, c2) if s2 > 0 else c2
            low, up = sorted((high * c1, high * c2))
            mark = np.array([(-wide, low), (wide, low), (wide, up), (-wide, up)])
            mark = mark + inset * _MARK_IN
            polygon(canvas, self._white, np.floor(mark @ turns[place] + moves[place]).astype(int).tolist())

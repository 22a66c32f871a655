"""mdn/CarRacing-v0 beside CarRacing-v3: how far its frames, rewards and ends are from Gymnasium's, and how fast a decision is.

    python benchmarks/world_racing_frames.py [--tracks 20] [--frames 150]

Frames are compared along whole episodes, driven by a policy that sees all sides of the game: roads and kerbs, the first second's
zoom, the grass, spins, and the border of the field, to which every fifth episode drives straight on.
"""

import argparse
import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import gymnasium
import numpy as np

from mdn.applications.world import environments

REPEAT = 4


def policy(track: int, rng):
    """A function that gives the next action: to the border, in circles, or held at random."""
    kept = np.zeros(2)

    def act():
        nonlocal kept
        if track % 5 == 4:
            return np.array([0.0, 0.7])
        if track % 5 == 3:
            return np.array([1.0 if track % 2 else -1.0, 0.8])
        if rng.random() < 0.15:
            kept = np.array([rng.uniform(-1.0, 1.0), rng.uniform(-0.3, 1.0)])
        return kept

    return act


def compared(tracks: int, frames: int) -> dict:
    """Differences of frames in grey levels, of 255, and whether rewards and ends agree to the float."""
    fast = environments.make(environments.CAR_RACING, repeat=1)
    real = gymnasium.make("CarRacing-v3")
    found, same, ended = [], True, 0
    for track in range(tracks):
        act, every = policy(track, np.random.default_rng(track)), max(1000 // frames, 1)
        ours, theirs = fast.reset(seed=track)[0], real.reset(seed=track)[0]
        over, step = False, 0
        while not over:
            if step % every == 0 or (step < 50 and step % 5 == 0):
                found.append(np.abs(ours.astype(float) - environments.smaller(theirs[: environments.SEEN_ROWS])).mean())
            action = act()
            steer, pedal = np.asarray(action, "float32")
            ours, *a = fast.step(action)
            theirs, *b = real.step(np.array([steer, max(pedal, 0.0), max(-pedal, 0.0)], "float32"))
            same = same and a[:3] == b[:3]
            over, step = a[1] or a[2] or b[1] or b[2], step + 1
        ended += b[3].get("lap_finished") is False
    return {"frames": len(found), "mean": np.mean(found), "worst": np.max(found), "same": same, "left": ended}


def seconds_a_decision(make, repeat: int, count: int = 120) -> float:
    """The median of decisions of a car that drives, from the start of an episode on."""
    env, taken = make(), []
    for seed in range(3):
        env.reset(seed=seed)
        for step in range(count // 3):
            begun = time.perf_counter()
            seen = None
            for _ in range(repeat):
                seen = env.step(np.array([0.1 * (-1) ** step, 0.4, 0.0][: env.action_space.shape[0]], "float32"))[0]
            if seen.shape[0] == 96:
                environments.smaller(seen[: environments.SEEN_ROWS])
            taken.append(time.perf_counter() - begun)
    env.close()
    return float(np.median(taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=20)
    parser.add_argument("--frames", type=int, default=150, help="of a track, at least")
    given = parser.parse_args()
    rounds = []
    for _ in range(3):  # in turn, since the machine is noisy
        ours = seconds_a_decision(lambda: environments.make(environments.CAR_RACING, repeat=REPEAT), 1)
        theirs = seconds_a_decision(lambda: gymnasium.make("CarRacing-v3"), REPEAT)
        rounds.append((ours, theirs))
    ours, theirs = np.median(rounds, axis=0)
    ratios = [b / a for a, b in rounds]
    print(
        f"a decision ({REPEAT} steps and a frame): {1e3 * ours:.2f} ms, through CarRacing-v3 {1e3 * theirs:.1f} ms: "
        f"{np.median(ratios):.1f} times as fast ({', '.join(f'{r:.1f}' for r in ratios)})"
    )
    found = compared(given.tracks, given.frames)
    print(
        f"{found['frames']} frames of {given.tracks} tracks: {found['mean']:.2f} of 255 on average, {found['worst']:.2f} in the "
        f"worst frame; rewards and ends equal to the float: {found['same']}; episodes that left the field: {found['left']}"
    )


if __name__ == "__main__":
    main()

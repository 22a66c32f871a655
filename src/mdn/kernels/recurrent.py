"""Recurrent layers on JAX: one product after all steps gives the gradients of weights, instead of a sum at each step."""

from __future__ import annotations

import functools

from mdn.numerics import product


def before_each(first, states):
    """On JAX: the state before each step, from the `first` one `(B, H)` and the `states` after each step `(T, B, H)`."""
    from jax import numpy as jnp

    return jnp.concatenate([first[None], states[:-1]])


def gradient_of_kernel(seen, slopes):
    """On JAX: the gradient `(F, H)` of a kernel, from its inputs `(T, B, F)` and the gradients of its outputs `(T, B, H)`.

    The barrier makes XLA transpose first and then multiply. Without it, XLA does both at once by another library, at half
    the speed on one core.
    """
    import jax

    turned = jax.lax.optimization_barrier(seen.reshape(-1, seen.shape[-1]).T)
    return turned @ slopes.reshape(-1, slopes.shape[-1])


@functools.cache
def lstm():
    """The LSTM over all steps on JAX, with its gradient written by hand; plain: a scan of `Recurrent.step`.

    Returns a function of x `(T, B, F)`, kernel, recurrent kernel, bias, `keep` (factors of the candidates, `(B, H)`), h and c,
    whose results are all h `(T, B, H)`, the last h and the last c.

    Autodiff would add to the gradient of a kernel at each step, and so read and write a (H, 4H) matrix T times. Here the
    steps keep the gradients of the gates, and one product over all steps gives the gradients of kernels and bias.
    """
    import jax
    from jax import numpy as jnp

    def sigmoid(z):
        return 0.5 * jnp.tanh(0.5 * z) + 0.5  # XLA's tanh is much faster than its exp

    def step(carry, projected, recurrent, bias, keep):
        h, c = carry
        i, f, g, o = jnp.split(projected + h @ recurrent + bias, 4, axis=-1)
        gates = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
        i, f, g, o = gates
        c = f * c + i * g * keep
        return (o * jnp.tanh(c), c), gates

    @jax.custom_vjp
    def run(x, kernel, recurrent, bias, keep, h, c):
        units = h.shape[-1]
        halves = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5], h.dtype), units)

        def one(carry, projected):
            # as `step`, but without keeping gates: one tanh of all of them takes XLA less than half of the time
            h, c = carry
            i, f, g, o = jnp.split(jnp.tanh((projected + h @ recurrent + bias) * halves), 4, axis=-1)
            c = (0.5 * f + 0.5) * c + (0.5 * i + 0.5) * g * keep
            h = (0.5 * o + 0.5) * jnp.tanh(c)
            return (h, c), h

        (last_h, last_c), hs = jax.lax.scan(one, (h, c), product(x, kernel))
        return hs, last_h, last_c

    def forward(x, kernel, recurrent, bias, keep, h, c):
        def one(carry, projected):
            carry, gates = step(carry, projected, recurrent, bias, keep)
            return carry, (*carry, gates)

        (last_h, last_c), (hs, cs, gates) = jax.lax.scan(one, (h, c), product(x, kernel))
        return (hs, last_h, last_c), (x, kernel, recurrent, keep, h, c, hs, cs, gates)

    def backward(kept, slopes):
        x, kernel, recurrent, keep, h, c, hs, cs, gates = kept
        d_hs, d_last_h, d_last_c = slopes
        transposed = recurrent.T

        def one(carry, given):
            d_h, d_c = carry
            d_out, before, c, (i, f, g, o) = given
            bent = jnp.tanh(c)
            d_h = d_h + d_out
            d_c = d_c + d_h * o * (1.0 - bent * bent)
            d_z = [d_c * (keep * g * i * (1.0 - i)), d_c * (before * f * (1.0 - f)), d_c * (keep * i * (1.0 - g * g))]
            d_z = jnp.concatenate([*d_z, d_h * (bent * o * (1.0 - o))], axis=-1)
            return (d_z @ transposed, d_c * f), d_z

        (d_h, d_c), d_z = jax.lax.scan(one, (d_last_h, d_last_c), (d_hs, before_each(c, cs), cs, gates), reverse=True)
        # the bias is a kernel whose input is 1
        seen = jnp.concatenate([x, before_each(h, hs), jnp.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
        d_kernel, d_recurrent, d_bias = jnp.split(gradient_of_kernel(seen, d_z), [x.shape[-1], seen.shape[-1] - 1])
        no_slope = jnp.zeros_like(keep)  # `keep` is a constant mask of dropout
        return product(d_z, kernel.T), d_kernel, d_recurrent, d_bias[0], no_slope, d_h, d_c

    run.defvjp(forward, backward)
    return run


@functools.cache
def window_loop(advanced, moves, weights_of):
    """The loop of `Window` on JAX; products after it give the gradients of weights and context. Plain: a scan of its steps.

    Autodiff would add to the gradient of a (H + S, 4 H) matrix at each step. Here weights are constants of the loop. Each step
    adds zeros (`nudges`) to results of the weights; the products need only the gradients of these zeros and of `projected`.

    Args:
        advanced, moves, weights_of: Functions of `mdn.sequences.window`.
    """
    import jax
    from jax import numpy as jnp

    def loop(projected, nudges, state, weights, context):
        def scanned(state, given):
            projected, *nudges = given
            state = advanced(state, projected, weights, context, nudges)
            return state, state

        return jax.lax.scan(scanned, state, (projected, *nudges))[1]

    @jax.custom_vjp
    def run(projected, weights, state, context):
        return loop(projected, (), state, weights, context)

    def forward(projected, weights, state, context):
        steps, rows = projected.shape[:2]
        nudges = tuple(jnp.zeros((steps, rows, size), projected.dtype) for size in (len(weights[2]), context.shape[-1]))

        def changing(projected, nudges, state):
            return loop(projected, nudges, state, weights, context)

        states, back = jax.vjp(changing, projected, nudges, state)
        return states, (back, weights, state, states, context)

    def backward(kept, slopes):
        back, weights, first, states, context = kept
        d_projected, (d_moves, d_shown), d_first = back(slopes)
        h, _, kappa, shown = states
        seen = jnp.concatenate([before_each(first[0], h), before_each(first[3], shown)], axis=-1)
        d_recurrent = gradient_of_kernel(seen, d_projected)
        d_mover, d_bias = gradient_of_kernel(h, d_moves), jnp.sum(d_moves, axis=(0, 1))
        alpha, beta, _ = moves(h, weights)
        d_context = jnp.einsum("tbu,tbs->bus", weights_of(alpha, beta, kappa, context), d_shown)
        return d_projected, (d_recurrent, d_mover, d_bias), d_first, d_context

    run.defvjp(forward, backward)
    return run

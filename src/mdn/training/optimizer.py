"""The optimizer of every loop."""

import keras


def make_optimizer(learning_rate, global_clipnorm: float | None, weight_decay: float) -> keras.optimizers.Optimizer:
    """Adam with decoupled weight decay on kernels: a decayed bias would pull a mixture away from its targets."""
    if not weight_decay:
        return keras.optimizers.Adam(learning_rate, global_clipnorm=global_clipnorm)
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay, global_clipnorm=global_clipnorm)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer

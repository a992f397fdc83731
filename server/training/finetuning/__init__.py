"""Fine-tuning: teaches any promptable checkpoint one class, from labelled scenes, so that the class mode finds it."""

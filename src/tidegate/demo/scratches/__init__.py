"""Scratches on phones: a task that people do, taken over by a model by degrees.

phones.py   pictures with the truth planted: glare, smudges, dust, light; scratches on half of them
net.py      a small convolution net in NumPy; train.py made weights.npz with it
models.py   what Tidegate serves: picture files in; label, confidence and where it looks out
people.py   inspectors who answer the queue
acts.py     human -> shadow -> assist -> partial -> full, and back when the light goes
cli.py      `tidegate demo scratches`
"""

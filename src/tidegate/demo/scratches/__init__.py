"""`tidegate demo scratches`: people look for scratches on phones, and a model takes over by degrees, as far as evidence allows.

pictures.py    phones with and without scratches, planted truth, any light (96x96)
net.py         a small convolution net in NumPy: learning and answering
model.py       the model as it is served: a file --> clean or scratched, how sure it is, where it looks
inspectors.py  people with an error rate each and a delay, who answer what the queue gives them
cli.py         train --> `tidegate up` --> human, shadow, assist, partial, full --> the light fails --> back to assist by itself
"""

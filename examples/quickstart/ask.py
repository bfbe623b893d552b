"""Ask for three flowers, then say what one of them really was."""

import pandas as pd

from tidegate.client import Client

flowers = pd.DataFrame(
    {
        "sepal_length": [5.0, 6.1, 7.2],
        "sepal_width": [3.4, 2.8, 3.2],
        "petal_length": [1.5, 4.5, 6.0],
        "petal_width": [0.2, 1.4, 2.1],
    }
)

with Client("http://127.0.0.1:8080") as client:
    answer = client.predict("flowers", flowers)
    print(f"version {answer.version} says {answer.outputs['predict'].tolist()}")
    client.feedback("flowers", answer.id, row=1, label="virginica")  # a botanist looked: the second was a virginica
    print(f"prediction {answer.id}: the label of row 1 is on its way into the log")

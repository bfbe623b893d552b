"""What is told of payloads that are more than a number or a category: texts, images, sounds, embeddings, tensors and lists.

    ingest --Payload (one tensor of a batch)--> dispatch.describe --which kind?--> text | image | audio | tensor | items
                                                                                        |
                                        columns C_length, C_brightness ... of the log <-'

One file a kind, each behind metrics.base.Descriptor. Third parties add theirs under the entry point `tidegate.descriptors`;
an attribute `kind` says which payloads it is given (its id, where it has none).
"""

BUILTIN: dict[str, str] = {
    "text": "tidegate.metrics.descriptors.text:Text",
    "image": "tidegate.metrics.descriptors.image:Image",
    "audio": "tidegate.metrics.descriptors.audio:Audio",
    "tensor": "tidegate.metrics.descriptors.tensor:Tensor",
    "items": "tidegate.metrics.descriptors.items:Items",
}

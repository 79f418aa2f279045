"""JSON Schemas of the document → shapes → the schema that the model sees, and the Python types that check it."""

from .models import ModelClass, constraints, model_classes, type_expression
from .publish import Publisher, TooLarge, clean
from .shapes import (
    Contradiction,
    Defect,
    Document,
    Key,
    Place,
    Schemas,
    Shape,
    checkable_pattern,
    fits,
    is_number,
    pattern_matches,
    same,
)

__all__ = [
    "Contradiction",
    "Defect",
    "Document",
    "Key",
    "ModelClass",
    "Place",
    "Publisher",
    "Schemas",
    "Shape",
    "TooLarge",
    "checkable_pattern",
    "clean",
    "constraints",
    "fits",
    "is_number",
    "model_classes",
    "pattern_matches",
    "same",
    "type_expression",
]

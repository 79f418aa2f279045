"""What the five vendors promise of their servers, row by row of the checklist, held against what is in generated/."""

"""The twelve pipelines that everybody may look at."""

"""The twelve pipelines that were sealed until the rules had been written."""

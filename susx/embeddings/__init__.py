"""Embedding caches: texts, images, patches, shards of pools."""

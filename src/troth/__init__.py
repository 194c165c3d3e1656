"""troth: pledge() and unveil() for Linux."""

"""The processes of the service, one module each, which imports what that process needs and no more."""

"""Which steps there are and what joins them."""

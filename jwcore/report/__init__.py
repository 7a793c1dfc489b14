"""Quick-look pages: self-contained HTML with pictures and tables."""

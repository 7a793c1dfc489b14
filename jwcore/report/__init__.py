"""What is told to people: plans and the stories of products in words, pages with pictures and tables."""

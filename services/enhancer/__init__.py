"""Makes words and voices the one result document: speakers, paragraphs, timings."""

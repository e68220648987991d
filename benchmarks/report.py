def as_text(r): return str(r)

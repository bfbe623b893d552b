"""Who is told, and how: one channel a file behind one small contract."""

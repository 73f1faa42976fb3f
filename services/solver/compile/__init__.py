"""The compilers: the expanded problem in, one search method's arrays out.

Owns the translation and the decision which method a problem's shape allows. Must not know how a method searches, nor
Kafka, HTTP, files or settings.
"""

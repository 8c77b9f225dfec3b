"""Stands in for the part of Glue's Python library that the job needs outside Glue (see utils).

Amazon's package is under the Amazon Software License and needs Glue's jars; this one is put on the path of the job's
process on the laptop and nowhere else.
"""

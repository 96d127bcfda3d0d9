"""Bills of materials: what an environment holds, as CycloneDX and SPDX documents. All of it is pure.

`inventory` has the values that both are written from. The documents are those of the libraries of the two projects,
which come with ``envmgr[sbom]``; nothing tells when or where they were made.
"""

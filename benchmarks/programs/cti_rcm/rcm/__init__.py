"""Maps a CVE's description to the CWE that it is an instance of."""

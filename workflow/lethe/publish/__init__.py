"""Publishing: what tables and figures are drawn from in one archive, and drawing them from it without computing."""

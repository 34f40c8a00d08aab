"""Write the tables of the catalog anew from the libraries."""

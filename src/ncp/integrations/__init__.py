"""This package inside other programs: each file imports one of them."""

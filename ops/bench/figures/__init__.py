"""The measurements, one module for each thing that is measured."""

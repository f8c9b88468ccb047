//! Whole flows, hop by hop.

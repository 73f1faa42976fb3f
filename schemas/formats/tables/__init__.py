"""Problems as spreadsheets: a workbook (.xlsx), or CSV files in a .zip, with the same sheets and columns."""

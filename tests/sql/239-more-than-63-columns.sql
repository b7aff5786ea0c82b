-- env: ZOO_URL=@MOCK@
-- colUsed has 64 bits; the last stands for all columns from the 64th on.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/wide.yml');
SELECT c0, c62, c63, c64, c69 FROM wide_rows;
SELECT c69 FROM wide_rows WHERE c66 = 1;
SELECT sum(c5) FROM wide_rows;
SELECT c0, late FROM wide_rows WHERE c68 = 68;
SELECT count(*) FROM wide_rows WHERE c63 = 63 OR c64 = 9;

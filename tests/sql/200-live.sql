-- env: SHOP_URL=@MOCK@
-- A live table as a user meets it: rows, NULLs, types, push-down, calls.
.load @BUILD@/cq
.mode quote
SELECT cq_load('@ROOT@/tests/sql/fixtures/shop.yml');
SELECT store, id, name, kind, printf('%.2f', price), sold, made_at, tags, detail, label FROM shop_items;
-- NULL stays NULL, '' stays ''
SELECT id FROM shop_items WHERE name = '' AND store = 'north';
SELECT count(*), count(price), count(made_at) FROM shop_items;
-- a client column prunes requests: one store, two pages
SELECT cq_config('cache_ttl', 0);
SELECT count(*) FROM shop_items WHERE store = 'south';
SELECT path FROM cq_requests ORDER BY id DESC LIMIT 1;
-- two bounds on one column, OR, IN
SELECT store, id FROM shop_items WHERE id > 1 AND id < 4 ORDER BY id;
SELECT store, id FROM shop_items WHERE id = 1 OR name = 'dish' ORDER BY store, id;
SELECT id FROM shop_items WHERE kind IN ('tool', 'food') AND store = 'south';
-- LIMIT and OFFSET
SELECT id FROM shop_items WHERE store = 'north' LIMIT 2 OFFSET 1;
SELECT id FROM shop_items WHERE store = 'north' ORDER BY id DESC LIMIT 1;
SELECT count(*) FROM (SELECT 1 FROM shop_items LIMIT -1);
-- a call per row runs only where its column is wanted; 404 leaves NULL, 503 is tried again
SELECT store, id, weight FROM shop_items WHERE weight IS NOT NULL;
-- children
SELECT store, item_id, sum(amount) FROM shop_sales GROUP BY 1, 2 ORDER BY 1, 2;
SELECT i.name, s.amount FROM shop_items i JOIN shop_sales s ON s.store = i.store AND s.item_id = i.id WHERE i.store = 'south';
SELECT i.id, s.id FROM shop_items i LEFT JOIN shop_sales s ON s.item_id = i.id AND s.amount > 100 WHERE i.store = 'south';
EXPLAIN QUERY PLAN SELECT name FROM shop_items WHERE store = 'north' AND kind = 'tool' LIMIT 3;

-- The same by title.
SELECT w.region AS region, w.asset AS asset, SUM(w.rate) AS rate, SUM(w.head) AS head
FROM watched w
GROUP BY w.region, w.asset

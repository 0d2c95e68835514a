-- Titles: how many half minutes, rungs and objects each has; of how many days the reports tell of it
-- (1 for what came out less than four days ago, since its older days tell of a launch that is over);
-- and what its owner expects of it (thousandths of plays a day of each of its objects in the whole
-- fleet; 0 is no forecast). Which episode of which series each is (0 is of none), and whether viewers may
-- have it before the next plan is carried out.
SELECT
  o.asset AS asset, MAX(p.positions) AS positions, COUNT(DISTINCT o.variant) AS variants, COUNT(*) AS objects,
  MAX(o.told) AS told, MAX(o.forecast) AS forecast,
  MAX(o.series) AS series, MAX(o.episode) AS episode, MAX(o.released) AS released
FROM object o
JOIN (SELECT q.asset AS asset, COUNT(*) AS positions FROM place q GROUP BY q.asset) p ON p.asset = o.asset
GROUP BY o.asset

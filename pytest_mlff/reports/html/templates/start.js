mlff.load();
mlff.theme.start();
mlff.table.start();
mlff.details.start();
mlff.films.start();
mlff.plots.start();
